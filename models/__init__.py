"""Networks, weights, degradations, metrics and training. Knows torch; knows neither Redis nor HTTP."""
