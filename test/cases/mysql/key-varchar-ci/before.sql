CREATE TABLE t (
  k VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('a', 'n0'), ('B', 'n1'), ('ä1', 'n2'), ('Z', 'n3'), ('it''s', 'n4'), ('', 'n5');
