"""The pages: a user interface in a browser, made of ES modules that are served as they are written."""
