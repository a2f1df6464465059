"""OpenVINO IR: making, compressing, reading and running it, and running other files in OpenVINO."""
