// JSON taken apart without parsing it whole, so that what is broken or cut short costs no more than itself. A piece is
// a view into the text; the last one of a text that was cut short may be incomplete: parsing it tells.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace figma {

// The items of the array, or the "name": value members of the object, that `text` begins with; none where it begins
// with neither. What follows it is not looked at.
std::vector<std::string_view> pieces_of(std::string_view text);

// Among an object's pieces the value of a member; empty where there is none.
std::string_view member_of(const std::vector<std::string_view>& pieces, std::string_view name);

// From where an array that is a member of that name begins, to the end, for the last few of them, the last one first.
// Either, both or neither may stand in quotes. Names within strings do not count: their quotes are escaped.
std::vector<std::string_view> arrays_named(std::string_view text, std::string_view name);
std::string_view first_array_of_objects(std::string_view text);

// The array or object that `text` begins with, as JSON where it is written as JavaScript or Python have it: with
// comments, single quotes, names without quotes, a comma too many, True, False and None.
std::string tidied(std::string_view text);

}  // namespace figma
