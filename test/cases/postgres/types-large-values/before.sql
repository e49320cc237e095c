CREATE TABLE t (
  id integer PRIMARY KEY,
  e text, x text, m text, p text, b bytea, n integer
);
ALTER TABLE t ALTER e SET STORAGE EXTERNAL, ALTER m SET STORAGE MAIN, ALTER p SET STORAGE PLAIN, ALTER b SET STORAGE EXTERNAL;
INSERT INTO t
  SELECT i, (SELECT string_agg(md5((i * 1000 + k)::text), '') FROM generate_series(1, 300) AS k),
    (SELECT string_agg(md5((i * 2000 + k)::text), '') FROM generate_series(1, 300) AS k),
    repeat('m', 1000 * i), repeat('p', 100 * i), decode(repeat('00ff', 4000 + i), 'hex'), i
  FROM generate_series(1, 12) AS i;
