"""Pure statistics: areas under curves, rates with their intervals, calibration."""
