CREATE TABLE t (
  id INT NOT NULL PRIMARY KEY,
  c CHAR(10), v VARCHAR(255), tt TINYTEXT, x TEXT, mt MEDIUMTEXT, lt LONGTEXT,
  cb CHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
);
INSERT INTO t VALUES
  (1, 'pad  ', 'pad  ', 'pad  ', 'pad  ', 'pad  ', 'pad  ', 'pad  '),
  (2, '', '', '', '', '', '', ''),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, '\0', CONCAT('a', CHAR(0), 'b'), CONCAT(CHAR(0), CHAR(0)), REPEAT('é', 20000), REPEAT('☃', 30000), REPEAT('😀', 20000), '😀'),
  (5, 'quote''', 'back\\slash', '"double"', '%like_', '`tick`', '-- comment', '/*x*/'),
  (6, 'NULL', 'null', '0', 'NaN', 'true', '?', ':a');
