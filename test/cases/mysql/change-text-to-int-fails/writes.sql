UPDATE t SET b = '13' WHERE id = 1;
