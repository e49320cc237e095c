ALTER id TYPE bigint, ADD COLUMN added xml DEFAULT '<x/>'
