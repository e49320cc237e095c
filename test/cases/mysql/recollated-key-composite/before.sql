SET SESSION sql_mode = "";
CREATE TABLE t (
  shop INT NOT NULL, code VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_general_ci NOT NULL,
  kind ENUM('x','y') NOT NULL, at DATETIME(3) NOT NULL, n INT, PRIMARY KEY (shop, code, kind, at)
);
INSERT INTO t VALUES (1, 'a', 'x', '2026-01-01 00:00:00.001', 1), (1, 'b', 'y', '2026-01-01 00:00:00.001', 2), (2, 'a', 'x', '2026-01-01', 3), (2, 'Ä', 'y', '2026-01-01', 4), (2, 'z', 'x', '0000-00-00', 5);
