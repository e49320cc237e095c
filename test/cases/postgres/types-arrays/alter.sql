ALTER i TYPE bigint[], ADD COLUMN added text[] DEFAULT '{a,NULL,"b c"}'
