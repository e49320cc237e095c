CREATE TABLE t (
  k VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('a', 'n0'), ('A', 'n1'), ('ä', 'n2'), ('Ä', 'n3'), ('a\0', 'n4'), ('zz', 'n5');
