CREATE TABLE owner (id INT NOT NULL PRIMARY KEY, region CHAR(2) NOT NULL, UNIQUE KEY (region, id));
CREATE TABLE t (id INT NOT NULL PRIMARY KEY, owner_id INT, region CHAR(2), above INT, name VARCHAR(20), UNIQUE KEY name (name),
  CONSTRAINT owned FOREIGN KEY (region, owner_id) REFERENCES owner (region, id),
  FOREIGN KEY (above) REFERENCES t (id));
CREATE TABLE part (id INT NOT NULL PRIMARY KEY, t_id INT, t_name VARCHAR(20),
  CONSTRAINT part_of FOREIGN KEY (t_id) REFERENCES t (id) ON DELETE CASCADE ON UPDATE CASCADE,
  FOREIGN KEY (t_name) REFERENCES t (name) ON DELETE SET NULL);
INSERT INTO owner VALUES (1, 'de'), (2, 'fr');
INSERT INTO t VALUES (1, 1, 'de', NULL, 'one'), (2, 2, 'fr', 1, 'two'), (3, NULL, NULL, 2, NULL), (4, 1, 'de', NULL, 'four');
INSERT INTO part VALUES (1, 1, 'one'), (2, 4, 'four'), (3, NULL, 'two');
