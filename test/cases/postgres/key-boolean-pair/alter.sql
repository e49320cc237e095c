ALTER v TYPE bigint
