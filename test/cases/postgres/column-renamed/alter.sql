RENAME COLUMN c TO "odd ""c x"
