CREATE TABLE t (
  k VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('alpha', 'n0'), ('Beta', 'n1'), ('gamma', 'n2'), ('delta', 'n3'), ('zeta', 'n4');
