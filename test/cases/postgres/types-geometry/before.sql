CREATE TABLE t (id integer PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle);
INSERT INTO t VALUES
  (1, '(0,-0)', '{1,-1,0}', '[(0,0),(0,0)]', '(1,1),(0,0)', '[(0,0)]', '((0,0))', '<(0,0),0>'),
  (2, '(NaN,Infinity)', '{1e-300,1,0.1}', '[(-1,1e308),(0.1,0.2)]', '(-1,-1),(1,1)', '((0,0),(1,1),(2,0))', '((0,0),(1,1),(2,0.30000000000000004))', '<(1,2),Infinity>'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, '(1e-323,5)', '{0,1,-0}', '[(1,2),(3,4)]', '(1e10,1e10),(-1e10,-1e10)', (SELECT ('[' || string_agg(format('(%s,%s)', n, n * 0.1), ',') || ']')::path FROM generate_series(1, 2000) AS n), NULL, NULL);
CREATE INDEX t_p ON t USING gist (b);
CREATE INDEX t_po ON t USING spgist (p);
