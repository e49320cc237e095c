CREATE TABLE t (
  k VARBINARY(20) NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES (X'', 'n0'), (X'00', 'n1'), (X'0000', 'n2'), (X'FF00', 'n3'), (X'2020', 'n4'), (X'20', 'n5');
