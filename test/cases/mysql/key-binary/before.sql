CREATE TABLE t (
  k BINARY(4) NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES (X'00000000', 'n0'), (X'01', 'n1'), (X'0100FF', 'n2'), (X'FFFFFFFF', 'n3'), (X'20202020', 'n4'), (X'5C275C27', 'n5');
