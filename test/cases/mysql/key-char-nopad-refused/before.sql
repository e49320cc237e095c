CREATE TABLE t (
  k CHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_nopad_ci NOT NULL,
  n INT NOT NULL,
  PRIMARY KEY (k, n)
);
INSERT INTO t VALUES ('', 1), ('', 2), ('a', 1), ('-', 1), ('\t', 1), ('\t', 2), ('a\t', 1), ('\t\t', 1);
