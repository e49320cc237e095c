ALTER tm3 TYPE time(1), ALTER ts0 TYPE timestamp(6), ADD COLUMN added timestamptz DEFAULT '2024-03-10 02:30:00-05'
