ALTER v TYPE bigint, ADD words text DEFAULT 'none', ADD n int DEFAULT 3
