CREATE TABLE t (k VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, n INT, PRIMARY KEY (k));
INSERT INTO t WITH RECURSIVE s AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM s WHERE i < 1000)
SELECT CONCAT(CHAR(65 + (a.i * 7 + b.i) % 26 + 32 * ((a.i + b.i) % 2)), ELT(a.i % 5 + 1, 'ä', 'z', 'Ö', '1', 'q'), LOWER(HEX(a.i * 1000 + b.i))), a.i FROM s AS a JOIN s AS b ON b.i <= 30;
