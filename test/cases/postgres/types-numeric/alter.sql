ADD COLUMN added numeric(10,3) DEFAULT 1.5, ALTER n5 TYPE numeric(8,4)
