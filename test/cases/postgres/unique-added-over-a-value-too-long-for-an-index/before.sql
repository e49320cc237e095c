CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT n, n || coalesce((SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) AS i WHERE n = 52), '')
  FROM generate_series(1, 100) AS n;
