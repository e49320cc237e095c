ALTER f TYPE double precision, ADD COLUMN added real DEFAULT '-0'
