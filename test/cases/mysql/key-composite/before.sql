CREATE TABLE t (
  a INT NOT NULL, b VARCHAR(10) NOT NULL, c DATETIME(3) NOT NULL, d VARBINARY(5) NOT NULL, note VARCHAR(20),
  PRIMARY KEY (b, c, a, d)
);
INSERT INTO t VALUES
  (1, 'a', '2024-01-01 00:00:00.001', X'00', 'n1'), (1, 'a', '2024-01-01 00:00:00.002', X'00', 'n2'), (2, 'a', '2024-01-01 00:00:00.001', X'00', 'n3'),
  (1, 'B', '2024-01-01', X'', 'n4'), (-1, 'B', '2024-01-01', X'', 'n5'), (1, '', '1000-01-01', X'FF', 'n6'), (1, 'ü', '2024-01-01', X'0000', 'n7');
INSERT INTO t SELECT a + 10, b, c, d, CONCAT('copy ', note) FROM t;
