-- What /probe/stored lists: 119 things, as a page of a shop has them.
create table probe_items (
  id     uuid not null default gen_random_uuid(),
  name   text not null,
  author text not null,
  price  integer primary key,
  tags   text[] not null
);
insert into probe_items (name, author, price, tags)
select 'A thing of many', 'somebody', price, '{one,two}' from generate_series(0, 118) price;
