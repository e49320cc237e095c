UPDATE t SET a = upper(md5(a)), r = NULL WHERE id % 3 = 0;
DELETE FROM t WHERE id = 5;
