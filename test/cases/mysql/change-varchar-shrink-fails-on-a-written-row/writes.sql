INSERT INTO t VALUES (4712, 1, 'too long for five', 1);
