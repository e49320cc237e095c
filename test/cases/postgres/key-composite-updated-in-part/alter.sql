ALTER x TYPE bigint
