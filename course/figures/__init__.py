"""Every figure of the book: a file a subject, a function a figure. They draw and do not compute."""
