"""Studies: one file for each table or figure of a paper, its numbers beside ours."""
