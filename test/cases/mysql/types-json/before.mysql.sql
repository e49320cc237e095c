CREATE TABLE t (id INT NOT NULL PRIMARY KEY, j JSON, k JSON NOT NULL);
INSERT INTO t VALUES
  (1, '{"a": 1.0, "b": 1e308, "c": -0.0, "d": 18446744073709551615, "e": -9223372036854775808, "f": 1.7976931348623157e308, "g": 5e-324}', '[]'),
  (2, 'null', 'null'), (3, NULL, '""'),
  (4, '[0.1, 0.30000000000000004, 123456789012345678901234567890, 0.000000000000000000000000000000001]', '{}'),
  (5, '{"b": 2, "a": 1, "aa": {"z": [null, true, false]}, "": "", "é": "\\u00e9\\ud83d\\ude00"}', '"\\"\\\\\\/\\b"'),
  (6, '{"dup": 1, "dup": 2}', '  [ 1 ,  2 ]  '), (7, '3.0', '3'), (8, '"😀"', '1e2'),
  (20, CAST(CAST('2024-01-01 01:02:03.456' AS DATETIME(3)) AS JSON), CAST(1.10 AS JSON)),
  (21, CAST(CAST('-01:02:03' AS TIME) AS JSON), CAST(X'00FF' AS JSON)),
  (22, JSON_OBJECT('n', 99999999999999999999999999.5, 'd', DATE '2024-02-29', 'b', b'1', 'g', ST_GeomFromText('POINT(1 2)')), JSON_ARRAY(1.50, 1.5e0, TRUE, NULL)),
  (23, CAST(18446744073709551615 AS JSON), CAST(CAST('12.00' AS DECIMAL(6,2)) AS JSON));
