"""The parts of the documents that repeat the code: one module for each subject."""
