ALTER w TYPE bigint, ALTER v TYPE text
