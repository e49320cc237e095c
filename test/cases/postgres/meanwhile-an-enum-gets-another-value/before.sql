CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE t (id int PRIMARY KEY, m mood, n text);
INSERT INTO t SELECT n, 'sad', 'happy' FROM generate_series(1, 50) AS n;
