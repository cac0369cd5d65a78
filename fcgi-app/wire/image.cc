#include "wire/image.h"

#include <cstdio>  // jpeglib.h wants FILE

#include <jerror.h>
#include <jpeglib.h>
#include <png.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csetjmp>
#include <cstring>
#include <memory>
#include <new>

#include "wire/exif.h"

namespace plugfleet {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::array<std::uint8_t, 8> kPngSignature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

ImageSize divided(ImageSize size, std::uint32_t factor) {
  return {(size.width + factor - 1) / factor, (size.height + factor - 1) / factor};
}

// The smallest whole number that brings an image of this size to kDecodedPixels.
std::uint32_t shrink_factor(ImageSize size) {
  std::uint32_t factor = 1;
  for (;; ++factor) {
    const auto small = divided(size, factor);
    if (std::uint64_t{small.width} * small.height <= kDecodedPixels) return factor;
  }
}

// An image that was cut off: each cell not `seen` takes the colour of the one before it in its row, a row without any
// that of the row above. False where fewer than half were seen: too little to tell what the picture is.
bool fill_gaps(ImageSize size, std::span<const std::uint8_t> seen, std::span<std::uint8_t> rgba) {
  const auto all = static_cast<std::ptrdiff_t>(seen.size()), count = std::ranges::count(seen, 1);
  if (count == all) return true;
  if (count < (all + 1) / 2 || seen[0] == 0) return false;
  bool row_has_any = true;
  for (std::size_t i = 1; i < seen.size(); ++i) {
    if (i % size.width == 0) row_has_any = seen[i] != 0;
    if (seen[i] == 0) std::memcpy(&rgba[i * 4], &rgba[(i - (row_has_any ? 1 : size.width)) * 4], 4);
  }
  return true;
}

// Averages boxes of factor x factor pixels, whatever order the pixels come in. Colours weigh by their alpha, so that
// the colour of a transparent pixel is never seen. Cells that no pixel came for take their neighbour's colour.
class Shrinker {
 public:
  explicit Shrinker(ImageSize from) : factor_(shrink_factor(from)), to_(divided(from, factor_)) {
    const auto cells = std::size_t{to_.width} * to_.height;
    seen_.resize(cells);
    if (factor_ == 1) {
      rgba_.resize(cells * 4);
    } else {
      boxes_.resize(cells);
    }
  }

  // `count` pixels of row y, the first at x, the others `step` to the right of the one before.
  void add(std::uint32_t y, std::uint32_t x, std::uint32_t step, std::uint32_t count, const std::uint8_t* pixel) {
    const auto row = std::size_t{y / factor_} * to_.width;
    if (factor_ == 1) {
      for (; count > 0; --count, x += step, pixel += 4) {
        std::memcpy(&rgba_[(row + x) * 4], pixel, 4);
        seen_[row + x] = 1;
      }
      return;
    }
    auto* box = &boxes_[row + x / factor_];
    for (auto within = x % factor_; count > 0; --count, within += step, pixel += 4) {
      for (; within >= factor_; within -= factor_) ++box;
      for (int i = 0; i < 3; ++i) box->colour[i] += std::uint32_t{pixel[i]} * pixel[3];
      box->alpha += pixel[3];
      ++box->count;
    }
  }

  std::expected<Pixels, ImageError> finish(ImageSize source) {
    if (factor_ > 1) {
      rgba_.resize(boxes_.size() * 4);
      auto* out = rgba_.data();
      for (std::size_t i = 0; i < boxes_.size(); ++i) {
        const auto& box = boxes_[i];
        seen_[i] = box.count > 0;
        const double each = box.alpha ? 1.0 / static_cast<double>(box.alpha) : 0;
        for (const auto colour : box.colour)
          *out++ = static_cast<std::uint8_t>(std::lround(static_cast<double>(colour) * each));
        *out++ = static_cast<std::uint8_t>((box.alpha + box.count / 2) / std::max(box.count, 1U));
      }
    }
    const bool whole = std::ranges::find(seen_, 0) == seen_.end();
    if (!fill_gaps(to_, seen_, rgba_)) return std::unexpected(ImageError::corrupt);
    return Pixels{source, to_, whole, std::move(rgba_)};
  }

 private:
  struct Box {
    std::array<std::uint64_t, 3> colour{};
    std::uint64_t alpha = 0;
    std::uint32_t count = 0;
  };
  std::uint32_t factor_;
  ImageSize to_;
  std::vector<Box> boxes_;
  std::vector<std::uint8_t> seen_;  // by cell
  std::vector<std::uint8_t> rgba_;
};

// Turned and mirrored as the camera says (EXIF 2.32, tag 0x0112): 2, 4, 5 and 7 are mirrored, 5 to 8 lie on their side.
std::expected<Pixels, ImageError> upright(std::expected<Pixels, ImageError> from, int orientation) {
  if (!from || orientation == 1) return from;
  const bool swapped = orientation >= 5;
  const auto turned = [swapped](ImageSize size) { return swapped ? ImageSize{size.height, size.width} : size; };
  const auto [width, height] = from->size;
  Pixels to{turned(from->source), turned(from->size), from->whole, std::vector<std::uint8_t>(from->rgba.size())};
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  auto* out = to.rgba.data();
  for (std::uint32_t y = 0; y < to.size.height; ++y) {
    for (std::uint32_t x = 0; x < to.size.width; ++x, out += 4) {
      auto column = swapped ? y : x, row = swapped ? x : y;
      if (from_right) column = width - 1 - column;
      if (from_bottom) row = height - 1 - row;
      std::memcpy(out, &from->rgba[(std::size_t{row} * width + column) * 4], 4);
    }
  }
  return to;
}

// ---- PNG: libpng row by row, because its simplified API would hold the whole image -------------------------------

void png_take(png_structp png, png_bytep out, std::size_t count) {
  auto& rest = *static_cast<Bytes*>(png_get_io_ptr(png));
  if (count > rest.size()) png_error(png, "truncated");
  std::memcpy(out, rest.data(), count);
  rest = rest.subspan(count);
}

[[noreturn]] void png_fail(png_structp png, png_const_charp) { png_longjmp(png, 1); }
void png_quiet(png_structp, png_const_charp) {}

// libpng reports an error by longjmp to here: this frame owns nothing that would need a destructor. What follows the
// last row is not read, and an image that ends before it is what there is of it.
void read_png(png_structp png, png_infop info, std::vector<std::uint8_t>& row, Shrinker& shrinker, int& orientation) {
  if (setjmp(png_jmpbuf(png))) return;
  png_read_info(png, info);
  png_uint_32 length = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(png, info, &length, &exif) != 0) orientation = exif_orientation({exif, length});
  png_set_expand(png);  // palette, tRNS and depths under 8
  png_set_scale_16(png);
  png_set_gray_to_rgb(png);
  png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
  const auto width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  const int passes = png_get_interlace_type(png, info) == PNG_INTERLACE_ADAM7 ? PNG_INTERLACE_ADAM7_PASSES : 1;
  png_read_update_info(png, info);
  row.resize(std::max<std::size_t>(png_get_rowbytes(png, info), std::size_t{width} * 4));
  // An interlaced image is a row of smaller ones; libpng hands those out as they are when not told to merge them.
  for (int pass = 0; pass < passes; ++pass) {
    const bool whole = passes == 1;
    const std::uint32_t columns = whole ? width : PNG_PASS_COLS(width, pass);
    const std::uint32_t rows = whole ? height : PNG_PASS_ROWS(height, pass);
    if (columns == 0) continue;
    for (std::uint32_t i = 0; i < rows; ++i) {
      png_read_row(png, row.data(), nullptr);
      if (whole) {
        shrinker.add(i, 0, 1, columns, row.data());
      } else {
        shrinker.add(PNG_ROW_FROM_PASS_ROW(i, pass), PNG_PASS_START_COL(pass), 1U << PNG_PASS_COL_SHIFT(pass), columns,
                     row.data());
      }
    }
  }
}

std::expected<Pixels, ImageError> decode_png(Bytes bytes, ImageSize source) {
  Shrinker shrinker(source);
  std::vector<std::uint8_t> row;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, png_fail, png_quiet);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  int orientation = 1;
  if (info) {
    png_set_read_fn(png, &bytes, png_take);
    // What is read at once is lost where the file ends within it.
    png_set_compression_buffer_size(png, std::clamp<std::size_t>(bytes.size() / 64, 16, 8192));
    png_set_user_limits(png, source.width, source.height);
    // Chunks that change no pixel are not even unpacked: profiles and compressed text can be bombs of their own.
    static constexpr png_byte kSkipped[] =
        "bKGD\0cHRM\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0zTXt";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, kSkipped, sizeof kSkipped / 5);
    read_png(png, info, row, shrinker, orientation);
  }
  png_destroy_read_struct(&png, &info, nullptr);
  return upright(shrinker.finish(source), orientation);
}

// Writing errs in the same way, and nothing of ours is alive in this frame either.
bool write_png(png_structp png, png_infop info, ImageSize size, std::span<const png_color> palette,
               std::span<const std::uint8_t> pixels) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_compression_level(png,
                            3);  // 1024 x 1024 of gradients: 4 to 14 ms, 23 to 129 KB; a half more time for level 6
  png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB);
  png_set_IHDR(png, info, size.width, size.height, 8, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
  png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  png_write_info(png, info);
  for (std::uint32_t y = 0; y < size.height; ++y) png_write_row(png, &pixels[std::size_t{y} * size.width]);
  png_write_end(png, info);
  return true;
}

void png_give(png_structp png, png_bytep bytes, std::size_t count) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(bytes), count);
}

// ---- JPEG: libjpeg row by row; it decodes to an eighth, a quarter or a half for less than the whole costs -----------

struct Jpeg {
  jpeg_decompress_struct from{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf failed;
  bool damaged = false;
  std::uint32_t whole_rows = 0;  // of MCUs, before the first damage
};

constexpr int kScansMax = 500;  // each costs the whole image's time, and a few bytes

Jpeg& of(j_common_ptr common) { return *static_cast<Jpeg*>(common->client_data); }

[[noreturn]] void jpeg_fail(j_common_ptr common) { std::longjmp(of(common).failed, 1); }
void jpeg_quiet(j_common_ptr) {}

// Stray bytes, fill bytes and a missing end marker change no pixel. Other warnings tell of damage, and what is decoded
// after it is made up; a later scan of a progressive image only refines what the first drew.
void jpeg_warn(j_common_ptr common, int level) {
  Jpeg& jpeg = of(common);
  const int code = common->err->msg_code;
  if (level >= 0 || jpeg.damaged || code == JWRN_EXTRANEOUS_DATA || code == JWRN_JPEG_EOF) return;
  if (jpeg.from.input_scan_number > 1) return;
  jpeg.damaged = true;
  jpeg.whole_rows = jpeg.from.input_iMCU_row;
}

void jpeg_count_scans(j_common_ptr common) {
  if (of(common).from.input_scan_number > kScansMax) jpeg_fail(common);
}

// In four inks, stored inverted as Adobe does and every viewer takes it.
void to_rgba(const std::uint8_t* from, bool inks, std::uint32_t count, std::uint8_t* to) {
  for (; count > 0; --count, to += 4, from += inks ? 4 : 3) {
    for (int i = 0; i < 3; ++i) to[i] = inks ? static_cast<std::uint8_t>(from[i] * from[3] / 255) : from[i];
    to[3] = 255;
  }
}

// As with libpng, an error jumps to here, where nothing needs a destructor.
void read_jpeg(Jpeg& jpeg, Bytes bytes, ImageSize source, std::vector<std::uint8_t>& rows,
               std::optional<Shrinker>& shrinker, int& orientation) {
  auto& from = jpeg.from;
  if (setjmp(jpeg.failed)) return;
  jpeg_create_decompress(&from);
  jpeg_mem_src(&from, bytes.data(), bytes.size());
  jpeg_save_markers(&from, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&from, TRUE);
  if (from.image_width != source.width || from.image_height != source.height) return;
  for (auto* marker = from.marker_list; marker; marker = marker->next) {
    static constexpr std::string_view kExif("Exif\0\0", 6);
    const std::string_view text(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (!text.starts_with(kExif)) continue;
    orientation = exif_orientation({marker->data + kExif.size(), text.size() - kExif.size()});
    break;
  }
  const bool inks = from.num_components == 4;
  from.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  from.do_fancy_upsampling = FALSE;
  from.progress = &jpeg.progress;
  from.scale_denom = 8;
  from.scale_num = 8;
  while (from.scale_num > 1 && 16 / from.scale_num <= shrink_factor(source)) from.scale_num /= 2;
  jpeg_start_decompress(&from);
  const std::uint32_t width = from.output_width, rgba = width * 4;
  shrinker.emplace(ImageSize{width, from.output_height});
  rows.resize(std::size_t{rgba} * 2);
  auto* row = rows.data() + rgba;
  while (from.output_scanline < from.output_height) {
    const std::uint32_t y = from.output_scanline;
    jpeg_read_scanlines(&from, &row, 1);
    // A row of MCUs is decoded before its first line is handed out, so that what is known of damage is known in time.
    if (jpeg.damaged && y >= jpeg.whole_rows * from.max_v_samp_factor * from.scale_num) return;
    to_rgba(row, inks, width, rows.data());
    shrinker->add(y, 0, 1, width, rows.data());
  }
}

std::expected<Pixels, ImageError> decode_jpeg(Bytes bytes, ImageSize source) {
  Jpeg jpeg;
  jpeg.from.err = jpeg_std_error(&jpeg.errors);
  jpeg.from.client_data = &jpeg;
  jpeg.errors.error_exit = jpeg_fail;
  jpeg.errors.output_message = jpeg_quiet;
  jpeg.errors.emit_message = jpeg_warn;
  jpeg.progress.progress_monitor = jpeg_count_scans;
  std::vector<std::uint8_t> rows;
  std::optional<Shrinker> shrinker;
  int orientation = 1;
  read_jpeg(jpeg, bytes, source, rows, shrinker, orientation);
  jpeg_destroy_decompress(&jpeg.from);
  if (!shrinker) return std::unexpected(ImageError::corrupt);
  return upright(shrinker->finish(source), orientation);
}

// What the first frame header says (ITU T.81, B.1.1 and B.2.2). Bytes before a marker are skipped, as every decoder
// does.
std::optional<ImageSize> jpeg_size(Bytes bytes) {
  constexpr int kStartOfScan = 0xda, kEndOfImage = 0xd9;
  const auto two = [bytes](std::size_t at) { return std::uint32_t{bytes[at]} << 8 | bytes[at + 1]; };
  for (std::size_t at = 2; at + 9 <= bytes.size();) {
    const int marker = bytes[at] == 0xff ? bytes[at + 1] : 0;
    if (marker == 0 || marker == 0xff) {
      ++at;
    } else if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {  // these stand alone
      at += 2;
    } else if (marker == kStartOfScan || marker == kEndOfImage) {
      break;
    } else if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
      return ImageSize{two(at + 7), two(at + 5)};
    } else {
      at += 2 + two(at + 2);
    }
  }
  return std::nullopt;
}

// ---- WebP: libwebp, which scales while it decodes ----------------------------------------------------------------

struct CloseDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
struct CloseDecoder {
  void operator()(WebPIDecoder* decoder) const { WebPIDelete(decoder); }
};

// The orientation, and of an animation its first frame, within a canvas that is transparent elsewhere.
std::expected<Pixels, ImageError> decode_webp(Bytes bytes, ImageSize source) {
  const auto factor = shrink_factor(source);
  Pixels pixels{.source = source, .size = divided(source, factor), .rgba = {}};
  pixels.rgba.resize(std::size_t{pixels.size.width} * pixels.size.height * 4);
  int orientation = 1;
  ImageSize at, size = pixels.size;

  WebPData data{bytes.data(), bytes.size()};
  WebPDemuxState state{};
  const std::unique_ptr<WebPDemuxer, CloseDemuxer> demuxer(WebPDemuxPartial(&data, &state));
  WebPChunkIterator exif;
  if (demuxer && WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &exif)) {
    orientation = exif_orientation({exif.chunk.bytes, exif.chunk.size});
    WebPDemuxReleaseChunkIterator(&exif);
  }
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config) || WebPGetFeatures(bytes.data(), bytes.size(), &config.input) != VP8_STATUS_OK) {
    return std::unexpected(ImageError::corrupt);
  }
  if (config.input.has_animation) {
    WebPIterator frame;
    if (!demuxer || !WebPDemuxGetFrame(demuxer.get(), 1, &frame)) return std::unexpected(ImageError::corrupt);
    data = frame.fragment;
    at = {std::uint32_t(frame.x_offset) / factor, std::uint32_t(frame.y_offset) / factor};
    size = divided({std::uint32_t(frame.width), std::uint32_t(frame.height)}, factor);
    WebPDemuxReleaseIterator(&frame);
    if (at.width + std::uint64_t{size.width} > pixels.size.width) size.width = pixels.size.width - at.width;
    if (at.height + std::uint64_t{size.height} > pixels.size.height) size.height = pixels.size.height - at.height;
    if (WebPGetFeatures(data.bytes, data.size, &config.input) != VP8_STATUS_OK || config.input.has_animation) {
      return std::unexpected(ImageError::corrupt);
    }
    if (std::uint32_t(config.input.width) > source.width || std::uint32_t(config.input.height) > source.height) {
      return std::unexpected(ImageError::corrupt);
    }
  }
  const auto first = (std::size_t{at.height} * pixels.size.width + at.width) * 4;
  config.options.use_scaling = factor > 1;
  config.options.scaled_width = int(size.width);
  config.options.scaled_height = int(size.height);
  config.output.colorspace = MODE_RGBA;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {&pixels.rgba[first], int(pixels.size.width * 4), pixels.rgba.size() - first};
  const std::unique_ptr<WebPIDecoder, CloseDecoder> decoder(WebPIDecode(nullptr, 0, &config));
  if (!decoder) return std::unexpected(ImageError::corrupt);
  if (WebPIUpdate(decoder.get(), data.bytes, data.size) != VP8_STATUS_OK) {
    int rows = 0;
    WebPIDecGetRGB(decoder.get(), &rows, nullptr, nullptr, nullptr);
    std::vector<std::uint8_t> seen(std::size_t{pixels.size.width} * pixels.size.height, 1);
    const auto begin = std::min(seen.size(), std::size_t{at.height + std::uint32_t(rows)} * pixels.size.width);
    const auto end = std::size_t{at.height + size.height} * pixels.size.width;
    for (auto i = begin; i < end; ++i) seen[i] = 0;
    pixels.whole = false;
    if (rows == 0 || !fill_gaps(pixels.size, seen, pixels.rgba)) return std::unexpected(ImageError::corrupt);
  }
  return upright(std::move(pixels), orientation);
}

}  // namespace

std::optional<ImageFormat> sniff_image(Bytes head) {
  const auto holds = [head](std::size_t at, std::string_view text) {
    return head.size() >= at + text.size() && std::memcmp(head.data() + at, text.data(), text.size()) == 0;
  };
  // PNG (third edition), section 5.2.
  if (head.size() >= kPngSignature.size() && std::ranges::equal(head.first<8>(), kPngSignature)) {
    return ImageFormat::png;
  }
  if (holds(0, "\xff\xd8\xff")) return ImageFormat::jpeg;              // ITU T.81, B.1.1.3: SOI, then another marker
  if (holds(0, "RIFF") && holds(8, "WEBP")) return ImageFormat::webp;  // RFC 9649, section 2.4
  return std::nullopt;
}

std::string_view media_type(ImageFormat format) {
  switch (format) {
    case ImageFormat::png:
      return "image/png";
    case ImageFormat::jpeg:
      return "image/jpeg";
    case ImageFormat::webp:
      return "image/webp";
  }
  return {};
}

std::optional<ImageSize> image_size(Bytes bytes) {
  const auto format = sniff_image(bytes);
  ImageSize size;
  if (format == ImageFormat::png) {
    // The first chunk is IHDR, and it begins with width and height (PNG, sections 5.6 and 11.2.1).
    if (bytes.size() < 24 || png_get_uint_32(bytes.data() + 8) != 13 || std::memcmp(bytes.data() + 12, "IHDR", 4) != 0)
      return std::nullopt;
    size = {png_get_uint_32(bytes.data() + 16), png_get_uint_32(bytes.data() + 20)};
  } else if (format == ImageFormat::jpeg) {
    size = jpeg_size(bytes).value_or(ImageSize{});
  } else if (format == ImageFormat::webp) {
    int width = 0, height = 0;
    if (!WebPGetInfo(bytes.data(), bytes.size(), &width, &height)) return std::nullopt;
    size = {std::uint32_t(width), std::uint32_t(height)};
  }
  if (size.width == 0 || size.height == 0) return std::nullopt;
  return size;
}

std::string_view describe(ImageError error) {
  switch (error) {
    case ImageError::not_an_image:
      return "is not a PNG, JPEG or WebP image";
    case ImageError::too_large:
      return "is an image of too many pixels";
    case ImageError::corrupt:
      return "is a damaged image";
  }
  return {};
}

std::expected<Pixels, ImageError> decode_image(Bytes bytes, const ImageLimits& limits) {
  const auto format = sniff_image(bytes);
  if (!format) return std::unexpected(ImageError::not_an_image);
  const auto size = image_size(bytes);
  if (!size) return std::unexpected(ImageError::corrupt);
  if (size->width > limits.side || size->height > limits.side ||
      std::uint64_t{size->width} * size->height > limits.pixels) {
    return std::unexpected(ImageError::too_large);
  }
  switch (*format) {
    case ImageFormat::png:
      return decode_png(bytes, *size);
    case ImageFormat::jpeg:
      return decode_jpeg(bytes, *size);
    case ImageFormat::webp:
      return decode_webp(bytes, *size);
  }
  return std::unexpected(ImageError::not_an_image);
}

std::string encode_png(ImageSize size, std::span<const PaletteColour> palette, std::span<const std::uint8_t> pixels) {
  std::vector<png_color> colours;
  for (const auto& colour : palette) colours.push_back({colour[0], colour[1], colour[2]});
  std::string out;
  out.reserve(pixels.size() + 64 * 1024);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, png_fail, png_quiet);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  bool written = false;
  if (info) {
    png_set_write_fn(png, &out, png_give, nullptr);
    written = write_png(png, info, size, colours, pixels);
  }
  png_destroy_write_struct(&png, &info);
  if (!written) throw std::bad_alloc();  // the one way in which writing to memory fails
  return out;
}

}  // namespace plugfleet
