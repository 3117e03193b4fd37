"""Drawing: values to colours, panels, contact sheets and files."""
