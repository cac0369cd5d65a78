-- A team's accounts, made where there are none, and locked until the transaction ends: their ids, and what is available.
create or replace function wallet_open(team uuid, out granted bigint, out available bigint, out held bigint, out spent bigint, out credits bigint)
language plpgsql as $$
begin
  loop
    select min(id) filter (where kind = 'granted'), min(id) filter (where kind = 'available'), min(id) filter (where kind = 'held'),
           min(id) filter (where kind = 'spent'), min(balance) filter (where kind = 'available')
      into granted, available, held, spent, credits
      from (select id, kind, balance from wallet_accounts where team_id = team order by id for update) as locked;
    exit when granted is not null;
    insert into wallet_accounts (team_id, kind)
    select team, kind from unnest('{granted,available,held,spent}'::text[]) with ordinality as k(kind, place) order by place
        on conflict do nothing;
  end loop;
end;
$$;
