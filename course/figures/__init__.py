"""Every figure of the book: one file per subject, one function per figure. They compute nothing."""
