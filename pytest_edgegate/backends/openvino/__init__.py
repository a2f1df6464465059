"""OpenVINO IR: converting, compressing, reading and running; other formats in OpenVINO."""
