"""Video in and out with PyAV, numpy and OpenCV. Knows neither torch nor Redis."""
