"""Safe reading of third-party files: regular files only, bounded sizes, uniform errors."""
