"""Charts to hover over: Vega-Lite by Altair, drawn offline by a page that carries the library with it."""
