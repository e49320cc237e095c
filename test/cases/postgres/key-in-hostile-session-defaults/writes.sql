UPDATE public.t SET v = -v WHERE v % 7 = 0;
UPDATE public.t SET a = a + interval '1 hour' WHERE v % 11 = 1;
UPDATE public.t SET b = b / 7 WHERE v % 13 = 1;
UPDATE public.t SET c = -c, e = '2024-02-03' WHERE v = 4;
DELETE FROM public.t WHERE v = 9;
INSERT INTO public.t VALUES ('2024-01-01 00:00+00', 0.1, '1 mon', '\x5c', '2024-12-31', 1);
