CREATE TABLE `tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt` (
  id INT NOT NULL PRIMARY KEY,
  a INT,
  b VARCHAR(40),
  c INT NOT NULL DEFAULT 3
);
INSERT INTO `tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt` VALUES (1, 10, 'one', 100), (2, 20, 'two', 200), (3, NULL, NULL, 300), (4, 40, 'four', 400);
