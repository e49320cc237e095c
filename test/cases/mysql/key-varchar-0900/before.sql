CREATE TABLE t (
  k VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('a', 'n0'), ('a ', 'n1'), ('B', 'n2'), ('zebra', 'n3'), ('', 'n4'), ('Ö', 'n5');
