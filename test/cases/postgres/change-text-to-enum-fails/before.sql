CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE t (id integer PRIMARY KEY, m text);
INSERT INTO t VALUES (1, 'sad'), (2, 'ok'), (3, 'it''s'), (4, NULL);
