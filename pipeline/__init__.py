"""Jobs, tasks, queue, frame store and settings. Knows neither torch, nor PyAV, nor HTTP."""
