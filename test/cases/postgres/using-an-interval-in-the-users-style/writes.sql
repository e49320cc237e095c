INSERT INTO t VALUES (4, '-3 4:05:06', '-2 days -4 hours');
UPDATE t SET v = '-9 8:07:06', w = '-9 days -8 hours' WHERE id = 1;
