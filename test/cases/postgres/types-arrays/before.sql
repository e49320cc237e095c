CREATE TABLE t (
  id integer PRIMARY KEY,
  i integer[], tx text[], m integer[][], n numeric[], b bytea[], j jsonb[], ts timestamptz[], c char(3)[]
);
INSERT INTO t VALUES
  (1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
  (2, '{1,NULL,3}', '{NULL,"NULL","",null," "}', '{{1,2},{3,4}}', '{NaN,1.00,1.0}', '{"\\x00","\\x5c"}', '{"{\"a\": 1}",null}', '{infinity,"2024-10-27 02:30:00+01"}', '{a,"b "}'),
  (3, '[0:2]={1,2,3}', '[-3:-2]={a,b}', '[1:1][-2:-1]={{1,2}}', NULL, NULL, NULL, NULL, NULL),
  (4, NULL, ARRAY['it''s', 'a"b', E'back\\slash', E'new\nline', '{x}', 'a,b', '🐬'], NULL, NULL, NULL, NULL, NULL, NULL),
  (5, (SELECT array_agg(n) FROM generate_series(1, 20000) AS n), array_fill('x'::text, ARRAY[10, 10, 10]), array_fill(7, ARRAY[2, 2, 2, 2, 2, 2]), NULL, NULL, NULL, NULL, NULL);
