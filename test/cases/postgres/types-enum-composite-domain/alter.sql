ADD COLUMN added sure, ADD COLUMN more mood DEFAULT 'happy', ALTER s TYPE varchar(8)
